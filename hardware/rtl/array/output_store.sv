// Takes the results of a tile from the output buffer to the memory, channel by channel, row by row.
module output_store #(
    parameter int POX = 4,  // results of a beat
    parameter int POF = 4,  // channels of a block
    parameter int DW = 8    // bits of a result
) (
    input  logic              clk,        // clock
    input  logic              rst,        // reset, synchronous
    input  layer_t            cfg,        // layer
    input  tile_t             tile,       // tile to store, stable until `busy` falls
    input  logic              start,      // store it
    output logic              busy,       // under way, or not yet acknowledged
    output logic              re,         // output buffer: read
    output logic [      15:0] rd_word,    // word
    output logic [       7:0] rd_bank,    // bank
    input  logic [POX*DW-1:0] rd_data,    // its results, one cycle later
    output logic              req_valid,  // memory: a write is asked for
    input  logic              req_ready,  // and accepted
    output logic [      31:0] req_addr,   // its byte address
    output logic [       7:0] req_bytes,  // its bytes
    output logic [POX*DW-1:0] req_data,   // its results
    input  logic              ack         // memory: one write has arrived
);
  localparam int BYTES = DW / 8;
  logic active, ox_end, row_end, lane_end, of_end, group_end;
  logic [15:0] group, of_left, x_left, rows_left, waiting_acks;
  logic [15:0] block_word, row_word, oxg;
  logic [31:0] ch_addr, row_addr, addr;
  logic [7:0] lane;

  assign ox_end = x_left <= 16'(POX);
  assign row_end = rows_left == 16'd1;
  assign of_end = of_left == 16'd1;
  assign lane_end = of_end || lane == 8'(POF - 1);
  assign group_end = group == tile.groups - 16'd1;
  assign re = active && (!req_valid || req_ready);
  assign rd_word = block_word + row_word + oxg;
  assign rd_bank = lane;
  assign req_data = rd_data;
  assign busy = active || req_valid || waiting_acks != 0;

  always_ff @(posedge clk) begin : request
    if (rst) req_valid <= 1'b0;
    else if (re) req_valid <= 1'b1;
    else if (req_ready) req_valid <= 1'b0;
    if (re) begin
      req_addr  <= addr;
      req_bytes <= (ox_end ? x_left[7:0] : 8'(POX)) * 8'(BYTES);
    end
    if (rst || start) waiting_acks <= '0;
    else waiting_acks <= waiting_acks + 16'(req_valid && req_ready) - 16'(ack);
  end

  always_ff @(posedge clk) begin : rows
    if (rst) active <= 1'b0;
    else if (start) active <= 1'b1;
    else if (re && ox_end && row_end && of_end && group_end) active <= 1'b0;
    if (start || (re && ox_end)) begin
      x_left <= cfg.out_w;
      oxg <= '0;
    end else if (re) begin
      x_left <= x_left - 16'(POX);
      oxg <= oxg + 16'd1;
    end
    if (start || (re && ox_end && row_end)) begin
      rows_left <= tile.rows;
      row_word  <= '0;
    end else if (re && ox_end) begin
      rows_left <= rows_left - 16'd1;
      row_word  <= row_word + cfg.n_oxg;
    end
  end

  always_ff @(posedge clk) begin : channels
    if (start) begin
      group <= '0;
      of_left <= tile.of_n;
      lane <= '0;
      block_word <= '0;
    end else if (re && ox_end && row_end) begin
      of_left <= of_end ? tile.of_n : of_left - 16'd1;
      lane <= lane_end ? 8'd0 : lane + 8'd1;
      if (lane_end) block_word <= block_word + cfg.word_block;
      if (of_end) group <= group + 16'd1;
    end
  end

  always_ff @(posedge clk) begin : addresses
    if (start) {ch_addr, row_addr, addr} <= {3{tile.out_addr}};
    else if (re && ox_end && row_end) begin
      ch_addr <= ch_addr + cfg.out_ch_bytes;
      row_addr <= ch_addr + cfg.out_ch_bytes;
      addr <= ch_addr + cfg.out_ch_bytes;
    end else if (re && ox_end) begin
      row_addr <= row_addr + cfg.out_row_bytes;
      addr <= row_addr + cfg.out_row_bytes;
    end else if (re) addr <= addr + POX * BYTES;
  end
endmodule
